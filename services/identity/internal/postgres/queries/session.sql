-- name: InsertSession :exec
insert into session (id, user_id, secret_hash, address, user_agent, create_time, last_use_time, expire_time, operator_groups,
    issuer, subject, provider_session)
values (@id, @user_id, @secret_hash, @address, @user_agent, @create_time, @last_use_time, @expire_time, @operator_groups,
    @issuer, @subject, @provider_session);

-- name: SessionByHash :one
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session where secret_hash = @secret_hash for no key update;

-- name: SessionByID :one
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session where id = @id for no key update;

-- name: EndSession :exec
update session set end_time = @end_time where id = @id;

-- name: TouchSession :exec
update session set last_use_time = @last_use_time where id = @id and last_use_time < @last_use_time;

-- One statement is one snapshot: the epoch is that of the very moment. There is an issuer only if the session was begun by
-- the person's first login (or before that was kept), whose address and groups these are: a linked login makes nobody an
-- operator.
-- name: SessionStanding :one
select s.id, s.user_id, s.address, s.user_agent, s.create_time, s.last_use_time, s.expire_time, s.end_time,
       s.operator_groups,
       (case when s.issuer = '' or (s.issuer, s.subject) = (u.issuer, u.subject) then u.issuer else '' end)::text as issuer,
       u.email, u.email_verified, m.role, a.state, o.expire_time as access_expire_time, h.epoch
from session s
join users u on u.id = s.user_id
cross join revocation_head h
left join membership m on m.account_id = @account_id::text and m.user_id = s.user_id
left join account a on a.id = @account_id
left join lateral (
    select coalesce(max(p.expire_time), timestamptz 'epoch')::timestamptz as expire_time from operator_access p
    where p.account_id = @account_id and p.user_id = s.user_id and p.end_time is null and p.expire_time > @now::timestamptz
) o on true
where s.secret_hash = @secret_hash;

-- name: SessionsOf :many
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session
where user_id = @user_id and id > @after and end_time is null and expire_time > @alive_at and last_use_time > @used_after
order by id
limit @count;

-- name: SweepSessions :execrows
delete from session where id in (
    select s.id from session s where s.expire_time < @before or s.end_time < @before order by s.expire_time limit @count);

-- name: LiveSessionsOf :many
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session where user_id = @user_id and end_time is null order by id for no key update;

-- A session from before providers were kept is found by its person.
-- name: LiveSessionsOfSubject :many
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session s
where s.end_time is null
  and (s.issuer = @issuer and s.subject = @subject
    or s.issuer = '' and s.user_id = (select u.id from users u where u.issuer = @issuer and u.subject = @subject))
  and (@provider_session::text = '' or s.provider_session in ('', @provider_session))
order by s.id for no key update;

-- name: LiveSessionsOfProviderSession :many
select id, user_id, address, user_agent, create_time, last_use_time, expire_time, end_time
from session where issuer = @issuer and provider_session = @provider_session::text and provider_session <> '' and end_time is null
order by id for no key update;

-- name: UseLogoutToken :execrows
insert into logout_token (issuer, jti, expire_time) values (@issuer, @jti, @expire_time) on conflict do nothing;

-- name: SweepLogoutTokens :execrows
delete from logout_token where expire_time <= @now;
