-- The lock lives as long as the transaction.
-- name: LockPair :exec
select pg_advisory_xact_lock(hashtextextended(@pair::text, 5));

-- name: OwnerOfLogin :one
select coalesce(
    (select u.id from users u where u.issuer = @issuer and u.subject = @subject),
    (select l.user_id from linked_login l where l.issuer = @issuer and l.subject = @subject), '')::text;

-- name: LockUser :exec
select from users where id = @id for no key update;

-- name: LinkedLogins :many
select * from linked_login where user_id = @user_id and id > @after order by id limit @count;

-- name: InsertLinkedLogin :exec
insert into linked_login (id, user_id, issuer, subject, email, email_verified, display_name, create_time)
values (@id, @user_id, @issuer, @subject, @email, @email_verified, @display_name, @create_time);

-- name: RemoveLinkedLogin :exec
delete from linked_login where id = @id;
