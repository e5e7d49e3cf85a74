-- Not a person whose pair is a linked login; the caller holds the lock on the pair.
-- name: InsertUser :execrows
insert into users (id, issuer, subject, email, email_verified, display_name, version, create_time, update_time)
select @id, @issuer, @subject, @email, @email_verified, @display_name, @version, @create_time, @update_time
where not exists (select from linked_login l where l.issuer = @issuer and l.subject = @subject)
on conflict (issuer, subject) do nothing;

-- name: UserForUpdate :one
select * from users
where id = coalesce(
    (select u.id from users u where u.issuer = @issuer and u.subject = @subject),
    (select l.user_id from linked_login l where l.issuer = @issuer and l.subject = @subject))
for no key update;

-- name: UpdateUser :exec
update users
set email = @email, email_verified = @email_verified, display_name = @display_name, version = @version, update_time = @update_time
where id = @id;

-- name: GetUser :one
select * from users where id = @id;

-- name: HasUser :one
select exists (select from users where id = @id);
