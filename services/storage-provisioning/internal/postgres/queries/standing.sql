-- name: NoteStanding :exec
insert into account_standing (account_id, state, version, changed_at) values (@account_id, '', 0, @changed_at)
on conflict (account_id) do nothing;

-- name: LockStanding :one
select * from account_standing where account_id = @account_id for update;

-- name: SaveStanding :exec
update account_standing set state = @state, version = @version, writes_stopped = @writes_stopped, changed_at = @changed_at
where account_id = @account_id;

-- name: GetStanding :one
select * from account_standing where account_id = @account_id;

-- name: PrincipalsOf :many
select id, backend from principal where account_id = @account_id order by id;
