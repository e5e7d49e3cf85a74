-- name: RecordDrift :execrows
insert into drift (id, account_id, resource_kind, resource_id, resource_name, kind, field, desired, observed, detected_at)
values (@id, @account_id, @resource_kind, @resource_id, @resource_name, @kind, @field, @desired, @observed, @detected_at)
on conflict (resource_kind, resource_id, kind, field) where repaired_at is null do nothing;

-- name: RepairedDrifts :execrows
update drift set repaired_at = @at
where resource_kind = @resource_kind and resource_id = @resource_id and repaired_at is null;

-- name: GoneExtras :execrows
update drift set repaired_at = @at
where resource_kind = @resource_kind and kind = 'EXTRA' and account_id = '' and repaired_at is null
  and starts_with(resource_id, @place) and resource_id <> all(@still::text[]);

-- name: ListDrifts :many
select * from drift
where account_id = @account_id and (@before = '' or id < @before)
order by id desc
limit @count;

-- name: SweepDrifts :execrows
delete from drift where id in (select d.id from drift d where d.repaired_at < @repaired_before limit @count);
