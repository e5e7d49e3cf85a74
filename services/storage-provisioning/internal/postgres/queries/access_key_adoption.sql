-- Which key has credentials shows a hash of their id; those that are to be removed, and what another secret has hashed, are
-- only seen once they are opened.
-- name: KeysThatMayHold :many
select id from access_key
where account_id = @account_id and backend = @backend
  and (lookup = @lookup or former_lookup = @lookup or doomed is not null or lookup_mark <> @mark)
order by id;

-- name: LookupsOfKeys :many
select l.lookup::bytea from (select unnest(@lookups::bytea[]) as lookup) l
where exists (select from access_key k where k.backend = @backend and (k.lookup = l.lookup or k.former_lookup = l.lookup));

-- name: KeysToBeOpened :many
select id, account_id, key_id, former_key_id, doomed from access_key
where backend = @backend and (doomed is not null or lookup_mark <> @mark);

-- name: OwnersOfPolicies :many
select ('primecloud-' || id)::text as policy, account_id from principal where 'primecloud-' || id = any(@policies::text[])
union all
select ('primecloud-' || id)::text, account_id from access_key where 'primecloud-' || id = any(@policies::text[]);

-- name: KeepStray :exec
insert into access_key_stray (place, key_id) values (@place, @key_id) on conflict do nothing;

-- name: StraysWithFinding :many
select s.place, s.key_id from access_key_stray s
where starts_with(s.place, @place) and exists (
    select from drift d where d.resource_kind = 'access_key' and d.kind = 'EXTRA' and d.resource_id = s.place and d.repaired_at is null)
order by s.place;

-- name: StrayOfFinding :one
select s.place, s.key_id, (d.repaired_at is null)::boolean as open
from drift d join access_key_stray s on s.place = d.resource_id
where d.id = @id and d.resource_kind = 'access_key' and d.kind = 'EXTRA';

-- name: ForgetStrays :exec
delete from access_key_stray s where not exists (
    select from drift d where d.resource_kind = 'access_key' and d.kind = 'EXTRA' and d.resource_id = s.place
      and (d.repaired_at is null or d.repaired_at > @open_at));
