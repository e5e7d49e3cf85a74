-- name: InsertInvitation :exec
insert into invitation (id, account_id, email, email_key, role, grants, state, inviter_id, delivery, version, create_time, send_time, expire_time)
values (@id, @account_id, @email, @email_key, @role, @grants, @state, @inviter_id, @delivery, @version, @create_time, @send_time, @expire_time);

-- name: GetInvitation :one
select * from invitation where account_id = @account_id and id = @id;

-- name: InvitationByToken :one
select * from invitation where token_hash = @token_hash;

-- name: UpdateInvitation :exec
update invitation
set state = @state, inviter_id = @inviter_id, delivery = @delivery, accept_user_id = @accept_user_id, version = @version,
    send_time = @send_time, expire_time = @expire_time, end_time = @end_time
where id = @id;

-- name: SetInvitationToken :exec
update invitation set token_hash = @token_hash where id = @id;

-- name: ExpireInvitations :exec
update invitation set state = 'expired', token_hash = null
where account_id = @account_id and state = 'pending' and expire_time <= @now;

-- name: CountPendingInvitations :one
select count(*) as pending, count(*) filter (where email_key = @email_key) as same
from invitation where account_id = @account_id and state = 'pending';

-- name: CountInvitationMails :one
select count(*) filter (where time > @hour_ago::timestamptz) as hourly, count(*) filter (where email_key = @email_key) as to_address
from invitation_mail where account_id = @account_id and time > @day_ago::timestamptz;

-- name: RecordInvitationMail :exec
insert into invitation_mail (account_id, email_key, time) values (@account_id, @email_key, @time);

-- Only letters from A to Z are folded, as in address.Key: lower() would fold more.
-- name: HasVerifiedMember :one
select exists (
    select from membership m
    join users u on u.id = m.user_id
    where m.account_id = @account_id and u.email_verified
      and translate(u.email, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') = @email_key::text);

-- name: VerifiedAddress :one
select email from users where id = @id and email_verified;

-- name: InvitationSetting :one
select a.display_name as account_name, a.state, u.display_name as inviter_name
from account a
join users u on u.id = @inviter_id
where a.id = @account_id;

-- name: ListInvitations :many
select * from invitation where account_id = @account_id and id > @after order by id limit @count;

-- name: ListReceivedInvitations :many
select sqlc.embed(i), a.display_name as account_name, inviter.display_name as inviter_name
from users u
join invitation i on i.email_key = translate(u.email, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
join account a on a.id = i.account_id
join users inviter on inviter.id = i.inviter_id
where u.id = @user_id and u.email_verified and i.state = 'pending' and i.expire_time > @now and i.id > @after
order by i.id
limit @count;

-- name: SweepInvitations :execrows
delete from invitation where id in (
    select i.id from invitation i where i.send_time < @before::timestamptz and coalesce(i.end_time, i.expire_time) < @before order by i.send_time limit @count);

-- name: SweepInvitationMails :exec
delete from invitation_mail where time <= @before;
