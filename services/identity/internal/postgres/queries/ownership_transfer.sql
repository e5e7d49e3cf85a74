-- name: InsertTransfer :exec
insert into ownership_transfer (id, account_id, from_user_id, to_user_id, keep_ownership, state, version, create_time, expire_time)
values (@id, @account_id, @from_user_id, @to_user_id, @keep_ownership, @state, @version, @create_time, @expire_time);

-- name: GetTransfer :one
select * from ownership_transfer where account_id = @account_id and id = @id;

-- name: EndTransfer :exec
update ownership_transfer set state = @state, version = @version, end_time = @end_time where id = @id;

-- name: ExpireTransfers :exec
update ownership_transfer set state = 'expired' where account_id = @account_id and state = 'pending' and expire_time <= @now;

-- name: HasPendingTransfer :one
select exists (select from ownership_transfer where account_id = @account_id and state = 'pending');

-- name: ListTransfers :many
select * from ownership_transfer where account_id = @account_id and id > @after order by id limit @count;
