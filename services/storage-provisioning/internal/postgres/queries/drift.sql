-- name: RecordDrift :execrows
insert into drift (id, account_id, resource_kind, resource_id, resource_name, kind, field, desired, observed, detected_at)
values (@id, @account_id, @resource_kind, @resource_id, @resource_name, @kind, @field, @desired, @observed, @detected_at)
on conflict (resource_kind, resource_id, kind, field) where repaired_at is null do nothing;

-- name: RepairedDrifts :execrows
update drift set repaired_at = @at
where resource_kind = @resource_kind and resource_id = @resource_id and repaired_at is null;

-- name: OpenExtras :many
select resource_id from drift
where resource_kind = @resource_kind and kind = 'EXTRA' and account_id = '' and repaired_at is null
  and starts_with(resource_id, @place);

-- name: GoneExtras :execrows
update drift set repaired_at = @at
where resource_kind = @resource_kind and kind = 'EXTRA' and account_id = '' and repaired_at is null
  and starts_with(resource_id, @place) and resource_id <> all(@still::text[]);

-- name: ListDrifts :many
select * from drift
where (@account_id = '' or account_id = @account_id) and (not @unowned::boolean or account_id = '')
  and (@resource_kind = '' or resource_kind = @resource_kind)
  and (@standing::text = '' or @standing = case
    when repaired_at is not null then 'REPAIRED' when ignored_at is not null then 'IGNORED' else 'OPEN' end)
  and (@before = '' or id < @before)
order by id desc
limit @count;

-- name: GetDrift :one
select * from drift where id = @id and account_id = @account_id;

-- name: LockDrift :one
select * from drift where id = @id for update;

-- name: SaveDriftIgnored :exec
update drift set ignored_at = @ignored_at, ignore_reason = @ignore_reason where id = @id;

-- name: DueResource :execrows
update managed_resource set due_at = @at where kind = @kind and id = @id;

-- name: CountOpenDrifts :many
select resource_kind, kind, count(*) as count from drift
where repaired_at is null and ignored_at is null
group by resource_kind, kind;

-- name: SweepDrifts :execrows
delete from drift where id in (select d.id from drift d where d.repaired_at < @repaired_before limit @count);
