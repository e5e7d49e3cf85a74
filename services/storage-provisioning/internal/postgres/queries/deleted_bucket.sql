-- name: KeepDeletedBucket :exec
insert into deleted_bucket (id, account_id, name, bucket, grants, deleted_at, restorable_until)
select @id, @account_id, @name, @bucket, coalesce((
    select jsonb_agg(jsonb_build_object('user_id', g.user_id, 'permission', g.permission, 'prefixes', g.prefixes, 'membership_version', g.membership_version)
        order by g.user_id)
    from bucket_grant g where g.bucket_id = @bucket_id), '[]'), @deleted_at, @restorable_until;

-- name: LastDeletedBucket :one
select * from deleted_bucket
where account_id = @account_id and name = @name and restorable_until > @at
order by id desc
limit 1;

-- name: ListDeletedBuckets :many
select * from deleted_bucket
where account_id = @account_id and (@before::text = '' or id < @before) and restorable_until > @at
order by id desc
limit @count;

-- name: SweepDeletedBuckets :execrows
delete from deleted_bucket where id in (select d.id from deleted_bucket d where d.restorable_until <= @at limit @count);

-- name: ForgetDeletedBuckets :exec
delete from deleted_bucket where account_id = @account_id;

-- name: ForgetQuota :exec
delete from account_quota where account_id = @account_id;

-- name: ForgetQuotaRequests :exec
delete from quota_request where account_id = @account_id;

-- name: ForgetKeyUses :exec
delete from access_key_use where account_id = @account_id;

-- name: ForgetMembers :exec
delete from account_member where account_id = @account_id;
