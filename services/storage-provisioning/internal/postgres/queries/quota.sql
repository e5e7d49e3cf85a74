-- name: AccountQuota :one
select * from account_quota where account_id = @account_id;

-- There must be a row to lock, or two creates at once would not see each other.
-- name: NoteAccountQuota :exec
insert into account_quota (account_id) values (@account_id) on conflict do nothing;

-- name: LockAccountQuota :one
select * from account_quota where account_id = @account_id for no key update;

-- name: SaveAccountQuota :exec
update account_quota
set own_limits = @own_limits, storage_soft = @storage_soft, storage_hard = @storage_hard, buckets_soft = @buckets_soft,
    buckets_hard = @buckets_hard, access_keys_soft = @access_keys_soft, access_keys_hard = @access_keys_hard,
    revision = @revision, version = @version, stopped_at = @stopped_at, storage_over = @storage_over,
    buckets_over = @buckets_over, access_keys_over = @access_keys_over, limits_updated_at = @limits_updated_at
where account_id = @account_id;

-- name: ListAccountQuotas :many
select * from account_quota
where account_id > @after and (own_limits or stopped_at is not null) and (not @stopped::boolean or stopped_at is not null)
order by account_id
limit @count;

-- name: AccountUsage :one
select
    coalesce(sum(u.bytes) filter (where b.state <> 'CONFLICT'), 0)::bigint as bytes,
    coalesce(sum(u.versions) filter (where b.state <> 'CONFLICT'), 0)::bigint as versions,
    coalesce(min(u.measured_at), 'epoch')::timestamptz as measured_at, coalesce(min(u.listed_at), 'epoch')::timestamptz as listed_at,
    coalesce(bool_and(u.source = 'LISTING'), true)::boolean as listed,
    coalesce(bool_or(u.bucket_id is null and b.marked and b.state <> 'CONFLICT'), false)::boolean as unmeasured,
    (select coalesce(sum(r.bytes), 0) from upload_reservation r where r.account_id = @account_id)::bigint as reserved,
    count(*) filter (where b.desired = 'PRESENT' or b.state = 'DELETING') as buckets,
    (select count(*) from access_key k where k.account_id = @account_id and (k.desired = 'PRESENT' or k.state = 'DELETING')) as access_keys
from bucket b left join bucket_usage u on u.bucket_id = b.id
where b.account_id = @account_id;

-- name: CountBuckets :one
select count(*) from bucket where account_id = @account_id and (desired = 'PRESENT' or state = 'DELETING');

-- name: CountAccessKeys :one
select count(*) from access_key where account_id = @account_id and (desired = 'PRESENT' or state = 'DELETING');

-- name: ReservedFor :one
select coalesce(max(bytes), 0)::bigint from upload_reservation where bucket_id = @bucket_id and key = @key;

-- A bucket that has just gone takes no uploads.
-- name: Reserve :exec
insert into upload_reservation (bucket_id, key, account_id, bytes, reserved_at, expire_at)
select b.id, @key::text, b.account_id, @bytes::bigint, @reserved_at::timestamptz, @expire_at::timestamptz
from bucket b where b.id = @bucket_id
on conflict (bucket_id, key) do update
set bytes = greatest(upload_reservation.bytes, excluded.bytes), reserved_at = excluded.reserved_at,
    expire_at = greatest(upload_reservation.expire_at, excluded.expire_at);

-- name: EndReservation :exec
delete from upload_reservation where bucket_id = @bucket_id and key = @key and reserved_at = @reserved_at;

-- Reservations whose URLs have ended: whose upload, if there was one, is in the figure by now, or that are that late.
-- name: SweepReservations :exec
delete from upload_reservation r using bucket_usage u
where r.account_id = @account_id and u.bucket_id = r.bucket_id
  and ((r.expire_at < u.listed_at and u.source = 'LISTING') or r.expire_at < @late);

-- Those whose object a listing has seen, written since.
-- name: EndSeenReservations :exec
delete from upload_reservation where bucket_id = @bucket_id and key = any(@keys::text[]) and reserved_at < @began;

-- name: BucketReservations :many
select key, reserved_at from upload_reservation where bucket_id = @bucket_id order by key limit @count;

-- name: MeasuredBuckets :many
select b.id, b.account_id, b.backend, b.name, (u.bucket_id is not null)::boolean as known,
    coalesce(u.bytes, 0)::bigint as bytes, coalesce(u.versions, 0)::bigint as versions, u.measured_at,
    coalesce(u.source, '')::text as source, coalesce(u.reported, 0)::bigint as reported, u.listed_at,
    coalesce(u.listing_ms, 0)::bigint as listing_ms, u.tally_began, coalesce(u.tally_after, '')::text as tally_after,
    coalesce(u.tally_bytes, 0)::bigint as tally_bytes, coalesce(u.tally_versions, 0)::bigint as tally_versions
from bucket b left join bucket_usage u on u.bucket_id = b.id
where b.marked and b.state <> 'CONFLICT'
order by b.account_id, b.id;

-- A pass that was overtaken by another writes nothing.
-- name: SaveBucketUsage :execrows
insert into bucket_usage (bucket_id, account_id, bytes, versions, measured_at, source, reported, listed_at, listing_ms,
    tally_began, tally_after, tally_bytes, tally_versions)
select b.id, b.account_id, @bytes::bigint, @versions::bigint, @measured_at::timestamptz, @source::text, @reported::bigint,
    sqlc.narg(listed_at)::timestamptz, @listing_ms::bigint, sqlc.narg(tally_began)::timestamptz, @tally_after::text,
    @tally_bytes::bigint, @tally_versions::bigint
from bucket b where b.id = @bucket_id
on conflict (bucket_id) do update
set bytes = excluded.bytes, versions = excluded.versions, measured_at = excluded.measured_at, source = excluded.source,
    reported = excluded.reported, listed_at = excluded.listed_at, listing_ms = excluded.listing_ms,
    tally_began = excluded.tally_began, tally_after = excluded.tally_after, tally_bytes = excluded.tally_bytes,
    tally_versions = excluded.tally_versions
where bucket_usage.listed_at is not distinct from sqlc.narg(listed_before)::timestamptz
  and bucket_usage.tally_after = @after_before::text;

-- What the accounts have and use, for a pass over all of them.
-- name: QuotaHoldings :many
select a.account_id::text as account_id, sum(a.buckets)::bigint as buckets, sum(a.access_keys)::bigint as access_keys,
    sum(a.reserved)::bigint as reserved, bool_or(a.ended)::boolean as ended
from (
    select account_id, count(*) as buckets, 0 as access_keys, 0 as reserved, false as ended from bucket
    where desired = 'PRESENT' or state = 'DELETING' group by account_id
    union all
    select account_id, 0, count(*), 0, false from access_key where desired = 'PRESENT' or state = 'DELETING' group by account_id
    union all
    select account_id, 0, 0, sum(bytes), bool_or(expire_at < @now) from upload_reservation group by account_id
    union all
    select account_id, 0, 0, 0, false from account_quota) a
group by a.account_id
order by a.account_id;

-- name: QuotaStates :many
select * from account_quota;

-- name: InsertQuotaRequest :execrows
insert into quota_request (id, account_id, storage_hard, buckets_hard, access_keys_hard, note, state, created_by, version, created_at)
values (@id, @account_id, @storage_hard, @buckets_hard, @access_keys_hard, @note, 'OPEN', @created_by, @version, @created_at)
on conflict do nothing;

-- name: QuotaRequest :one
select * from quota_request where account_id = @account_id and id = @id;

-- name: LockQuotaRequest :one
select * from quota_request where account_id = @account_id and id = @id for no key update;

-- name: DecideQuotaRequest :exec
update quota_request
set state = @state, decided_by = @decided_by, decision_note = @decision_note, version = @version, decided_at = @decided_at
where id = @id;

-- name: ListQuotaRequests :many
select * from quota_request
where (@account_id::text = '' or account_id = @account_id) and (@before::text = '' or id < @before)
  and (@state::text = '' or state = @state)
order by id desc
limit @count;
