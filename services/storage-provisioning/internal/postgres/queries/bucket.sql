-- name: ReserveBucket :execrows
insert into bucket (id, account_id, backend, name, customer_reference, versioning, quota_bytes, lifecycle, desired, state,
    version, marked, seen_absent_at, seen_absent_generation, unsure, sighted_at, created_at, updated_at, labels, settings, adopting)
values (@id, @account_id, @backend, @name, @customer_reference, @versioning, @quota_bytes, @lifecycle, @desired, @state,
    @version, false, null, 0, false, null, @created_at, @updated_at, @labels, @settings, @adopting)
on conflict do nothing;

-- The row is locked by a statement of its own: one that waits for the lock would go on with what it had read of the
-- joined table before.
-- name: LockBucketByName :one
select id from bucket where account_id = @account_id and name = @name for no key update;

-- name: LockBucketByID :one
select id from bucket where id = @id for no key update;

-- name: GetBucket :one
select sqlc.embed(bucket), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
where bucket.account_id = @account_id and bucket.name = @name and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING');

-- name: LoadBucket :one
select sqlc.embed(bucket), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
where bucket.id = @id;

-- name: ListBuckets :many
select sqlc.embed(bucket), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, coalesce(m.conditions, '[]')::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
where bucket.account_id = @account_id and bucket.name > @after
  and (@everything::boolean or exists (
    select from bucket_grant where bucket_grant.bucket_id = bucket.id and bucket_grant.user_id = @granted_to))
  and (@backend = '' or bucket.backend = @backend)
  and (@customer_reference = '' or bucket.customer_reference = @customer_reference)
  and bucket.labels @> @labels
  and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING')
order by bucket.name
limit @count;

-- name: SaveBucket :one
update bucket
set customer_reference = @customer_reference, versioning = @versioning, quota_bytes = @quota_bytes, lifecycle = @lifecycle,
    desired = @desired, state = @state, version = @version, marked = @marked, seen_absent_at = @seen_absent_at,
    seen_absent_generation = @seen_absent_generation, unsure = @unsure, sighted_at = @sighted_at,
    created_at = @created_at, updated_at = @updated_at, labels = @labels, settings = @settings,
    adopting = @adopting
where id = @id
returning version;

-- name: NoteBucket :exec
update bucket
set marked = @marked, seen_absent_at = @seen_absent_at, seen_absent_generation = @seen_absent_generation,
    unsure = @unsure, sighted_at = @sighted_at
where id = @id;

-- name: RemoveBucket :exec
delete from bucket where id = @id;

-- name: ReachableBuckets :many
select b.name from bucket b
where b.account_id = @account_id and b.backend = @backend and (b.desired = 'PRESENT' or b.state = 'DELETING')
  and b.state not in ('CONFLICT', 'PURGING') and (b.marked or b.seen_absent_at is not null)
  -- One that was purged goes the way out of reach.
  and not (b.state = 'DELETING' and exists (select from bucket_purge p where p.bucket_id = b.id and p.ended_at is null));

-- name: ReservedNames :many
select name from bucket where backend = @backend;

-- name: BucketsOfBackend :many
select sqlc.embed(bucket), coalesce(m.generation, 0)::bigint as generation,
    coalesce(m.observed_generation, 0)::bigint as observed, '[]'::jsonb as conditions,
    exists (select from account_standing s where s.account_id = bucket.account_id and s.state not in ('', 'active')) as stopped
from bucket left join managed_resource m on m.kind = 'bucket' and m.id = bucket.id
where bucket.backend = @backend and bucket.name > @after
order by bucket.name
limit @count;

-- name: WakeResources :exec
update managed_resource set due_at = @at
where kind = @kind and id = any(@ids::text[]) and (due_at is null or due_at > @at);

-- name: WakeBackend :exec
update managed_resource set due_at = @at
where kind = any(@kinds::text[]) and backend = @backend and (due_at is null or due_at > @at) and updated_at < @since;

-- name: WakeAllResources :execrows
update managed_resource set due_at = @at where kind not in ('bucket', 'principal', 'access_key') and (due_at is null or due_at > @at) and updated_at < @since;

-- Buckets of which something is public: what an account's standing stops and brings back.
-- name: PublicBuckets :many
select id, backend from bucket where account_id = @account_id and settings ? 'public_access' order by id;

-- name: StandingBuckets :many
select id, account_id, backend, name, lifecycle from bucket
where desired = 'PRESENT' and state = 'READY' and id > @after
order by id
limit @count;
