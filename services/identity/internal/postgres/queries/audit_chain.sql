-- name: EntriesAfter :many
select * from audit_entry where account_id = @account_id and sequence > @after order by sequence limit @count;

-- name: Head :one
select * from audit_head where account_id = @account_id;

-- One statement, so that all of it is of the same moment.
-- name: Extent :one
select h.account_id, h.sequence, h.hash, h.append_time, coalesce(c.sequence, 0)::bigint as begin_sequence, coalesce(c.hash, '')::bytea as begin_hash,
    coalesce(c.month, '')::text as month, coalesce(c.key_id, '')::text as key_id, coalesce(c.signature, '')::bytea as signature,
    (select count(*) from audit_entry e where e.account_id = h.account_id) as entries
from audit_head h
left join lateral (
    select b.sequence, b.hash, b.month, b.key_id, b.signature from audit_checkpoint b
    where b.account_id = h.account_id order by b.sequence desc limit 1) c on true
where h.account_id = @account_id;

-- Accounts that have entries, or a checkpoint, and no chain that they belong to.
-- name: Headless :many
select account_id from (select account_id from audit_entry union select account_id from audit_checkpoint) a
where not exists (select from audit_head h where h.account_id = a.account_id)
order by account_id limit @count;

-- name: Heads :many
select * from audit_head where account_id >= @from_id order by account_id limit @count;

-- name: LastCheckpoint :one
select * from audit_checkpoint where account_id = @account_id order by sequence desc limit 1;

-- Replicas take turns: the lock lasts until the transaction ends.
-- name: LockAuditKeys :exec
select pg_advisory_xact_lock(hashtext('primecloud.identity.audit_key'));

-- name: AuditKeys :many
select * from audit_key order by create_time, kid;

-- name: InsertAuditKey :exec
insert into audit_key (kid, public_key, sealed_private, create_time) values (@kid, @public_key, @sealed_private, @create_time);

-- name: MakeMonth :exec
select audit_make_month(@at);

-- name: Months :many
select (substr(c.relname, length(c.relname) - 5, 4) || '-' || right(c.relname, 2))::text as month
from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
where i.inhparent = 'audit_entry'::regclass
order by 1;

-- Replicas take turns: the lock lasts until the transaction ends.
-- name: LockMonths :exec
select pg_advisory_xact_lock(hashtext('primecloud.identity.audit_drop'));

-- The last entry of each chain in a month.
-- name: LastOfMonth :many
select h.account_id, l.sequence, l.hash, l.append_time
from audit_head h
cross join lateral (
    select e.sequence, e.hash, e.append_time from audit_entry e
    where e.account_id = h.account_id and e.append_time >= @begins and e.append_time < @ends
    order by e.sequence desc limit 1) l
order by h.account_id;

-- name: InsertCheckpoint :exec
insert into audit_checkpoint (account_id, sequence, hash, month, key_id, signature)
values (@account_id, @sequence, @hash, @month, @key_id, @signature)
on conflict do nothing;

-- name: DropMonth :exec
select audit_drop_month(@month::text, @kept::int);
