-- name: FindPrincipal :one
select sqlc.embed(principal), coalesce(m.generation, 0)::bigint as generation, coalesce(m.observed_generation, 0)::bigint as observed
from principal left join managed_resource m on m.kind = 'principal' and m.id = principal.id
where principal.account_id = @account_id and principal.backend = @backend;

-- name: LoadPrincipal :one
select sqlc.embed(principal), coalesce(m.generation, 0)::bigint as generation, coalesce(m.observed_generation, 0)::bigint as observed
from principal left join managed_resource m on m.kind = 'principal' and m.id = principal.id
where principal.id = @id;

-- name: PrincipalsOnBackend :many
select id, account_id from principal where backend = @backend and id > @after order by id limit @count;

-- name: PrincipalID :one
select id from principal where account_id = @account_id and backend = @backend;

-- name: InsertPrincipal :execrows
insert into principal (id, account_id, backend, user_name, user_secret, reader_key, reader_secret, created_at)
values (@id, @account_id, @backend, @user_name, @user_secret, @reader_key, @reader_secret, @created_at)
on conflict (account_id, backend) do nothing;

-- name: ApplyPrincipal :exec
update principal set applied = @applied, settle_at = @settle_at where id = @id;
