-- name: KeepDeletedBucket :exec
insert into deleted_bucket (id, account_id, name, bucket, grants, deleted_at, restorable_until)
select @id, @account_id, @name, @bucket, coalesce((
    select jsonb_agg(jsonb_build_object('user_id', g.user_id, 'permission', g.permission, 'membership_version', g.membership_version)
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
