-- There is no update: a favourite that is there already stays as it is.
-- name: AddFavourite :execrows
insert into object_favourite (id, account_id, user_id, bucket_id, path, created_at)
values (@id, @account_id, @user_id, @bucket_id, @path, @created_at)
on conflict (account_id, user_id, bucket_id, path) do nothing;

-- name: FindFavourite :one
select * from object_favourite where account_id = @account_id and user_id = @user_id and bucket_id = @bucket_id and path = @path;

-- name: CountFavourites :one
select count(*) from object_favourite where account_id = @account_id and user_id = @user_id;

-- name: RemoveFavourite :one
delete from object_favourite where object_favourite.account_id = @account_id and object_favourite.user_id = @user_id
  and object_favourite.path = @path
  and object_favourite.bucket_id = (select b.id from bucket b where b.account_id = @account_id and b.name = @bucket)
returning *;

-- For an external person the granted buckets alone.
-- name: ListFavourites :many
select sqlc.embed(object_favourite), bucket.name as bucket
from object_favourite join bucket on bucket.id = object_favourite.bucket_id
where object_favourite.account_id = @account_id and object_favourite.user_id = @user_id and object_favourite.id > @after
  and (bucket.desired = 'PRESENT' or bucket.state = 'DELETING')
  and (@everywhere::boolean or exists (
      select from bucket_grant g where g.bucket_id = bucket.id and g.user_id = @granted_to))
order by object_favourite.id
limit @count;

-- name: EndFavouritesOfPerson :exec
delete from object_favourite where account_id = @account_id and user_id = @user_id and created_at <= @before;

-- name: EndFavouritesOfBucket :exec
delete from object_favourite where bucket_id = @bucket_id;
