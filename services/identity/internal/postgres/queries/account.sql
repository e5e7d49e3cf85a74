-- The slug is the one thing that can be in the way: the id is random.
-- name: InsertAccount :execrows
insert into account (id, display_name, customer_reference, slug, state, state_reason, state_actor_kind, state_actor_id, state_time,
                     trial_end_time, version, membership_version, create_time, update_time)
values (@id, @display_name, @customer_reference, @slug, @state, @state_reason, @state_actor_kind, @state_actor_id, @state_time,
        @trial_end_time, @version, 1, @create_time, @update_time)
on conflict on constraint account_slug_key do nothing;

-- name: AccountForUpdate :one
select * from account where id = @id for no key update;

-- name: GetAccount :one
select * from account where id = @id;

-- name: UpdateAccount :exec
update account
set display_name = @display_name, customer_reference = @customer_reference, slug = @slug, state = @state,
    state_reason = @state_reason, state_actor_kind = @state_actor_kind, state_actor_id = @state_actor_id, state_time = @state_time,
    resumes = @resumes, trial_end_time = @trial_end_time, close_time = @close_time, version = @version, update_time = @update_time
where id = @id;

-- name: LockAccount :one
update account set membership_version = membership_version + 1 where id = @id
returning membership_version;

-- name: AccountsOf :many
select sqlc.embed(a), m.role
from membership m
join account a on a.id = m.account_id
where m.user_id = @user_id and m.account_id > @after
order by m.account_id
limit @count;

-- The pattern has its wildcards escaped by the caller.
-- name: FindAccounts :many
select * from account
where (@state::text = '' or state = @state)
  and (@query::text = '' or id = @query or slug = @query or lower(display_name) like @pattern)
  and (@after_id::text = '' or (create_time, id) < (@after_time::timestamptz, @after_id))
order by create_time desc, id desc
limit @count;

-- name: DueAccounts :many
(select id from account where state = 'active' and trial_end_time <= @now::timestamptz order by trial_end_time limit @count)
union all
(select id from account where state = 'closing' and close_time <= @now::timestamptz order by close_time limit @count);
