-- Replicas take turns: the lock lasts until the transaction ends.
-- name: LockSigningKeys :exec
select pg_advisory_xact_lock(hashtext('primecloud.identity.signing_key'));

-- name: SigningKeys :many
select * from signing_key where retire_time > @now order by sign_from, kid;

-- name: InsertSigningKey :exec
insert into signing_key (kid, public_key, sealed_private, create_time, sign_from, sign_until, retire_time)
values (@kid, @public_key, @sealed_private, @create_time, @sign_from, @sign_until, @retire_time);

-- name: RemoveRetiredKeys :exec
delete from signing_key where retire_time <= @now;
