-- name: InsertUser :execrows
insert into users (id, issuer, subject, email, email_verified, display_name, version, create_time, update_time)
values (@id, @issuer, @subject, @email, @email_verified, @display_name, @version, @create_time, @update_time)
on conflict (issuer, subject) do nothing;

-- name: UserForUpdate :one
select * from users where issuer = @issuer and subject = @subject for no key update;

-- name: UpdateUser :exec
update users
set email = @email, email_verified = @email_verified, display_name = @display_name, version = @version, update_time = @update_time
where id = @id;

-- name: GetUser :one
select * from users where id = @id;

-- name: HasUser :one
select exists (select from users where id = @id);
