-- name: AppendEntry :exec
insert into audit_entry (event_id, id, account_id, time, service, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
    actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, method, before, after)
values (@event_id, @id, @account_id, @time, @service, @action, @severity, @outcome, @reason, @actor_kind, @actor_id, @actor_role,
    @actor_address, @actor_session_id, @target_kind, @target_id, @target_name, @request_id, @trace_id, @method, @before, @after)
on conflict (event_id) do nothing;

-- name: ListEntries :many
select * from audit_entry
where account_id = @account_id::text
  and (time, event_id) < (@before_time::timestamptz, @before_event::text)
  and (sqlc.narg('actor_id')::text is null or actor_id = sqlc.narg('actor_id'))
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action'))
  and (sqlc.narg('target_id')::text is null or target_id = sqlc.narg('target_id'))
  and (sqlc.narg('start_time')::timestamptz is null or time >= sqlc.narg('start_time'))
  and (sqlc.narg('end_time')::timestamptz is null or time < sqlc.narg('end_time'))
order by time desc, event_id desc
limit @count;
