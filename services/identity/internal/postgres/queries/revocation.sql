-- The lock on the one row puts epochs in the order of commits.
-- name: NextEpoch :one
update revocation_head set epoch = epoch + 1 returning epoch;

-- name: InsertRevocation :exec
insert into revocation (epoch, kind, subject, revoke_time, expire_time)
values (@epoch, @kind, @subject, @revoke_time, @expire_time);

-- One statement, so that epoch and entries are of one snapshot: with no entry there is one row of nulls.
-- name: RevocationsSince :many
select h.epoch as head, r.epoch, r.kind, r.subject, r.revoke_time, r.expire_time
from revocation_head h
left join revocation r on r.epoch > @after and r.expire_time > @now
order by r.epoch;

-- name: RevokedAfter :one
select exists (
    select from revocation r
    where r.epoch > @epoch
      and (r.kind, r.subject) in (
          ('session', @session_id::text), ('api_key', @api_key_id::text),
          ('membership', @membership::text), ('account', @account_id::text)));

-- name: SweepRevocations :execrows
delete from revocation where expire_time <= @now;
