-- name: GetProfile :one
select a.id, a.create_time, p.legal_name, p.tax_id_type, p.tax_id_value, p.contacts, p.time_zone, p.currency, p.locale,
       p.branding, p.settings, p.version, p.update_time
from account a
left join account_profile p on p.account_id = a.id
where a.id = @account_id;

-- name: SaveProfile :exec
insert into account_profile (account_id, legal_name, tax_id_type, tax_id_value, contacts, time_zone, currency, locale,
                             branding, settings, version, update_time)
values (@account_id, @legal_name, @tax_id_type, @tax_id_value, @contacts, @time_zone, @currency, @locale,
        @branding, @settings, @version, @update_time)
on conflict (account_id) do update
set legal_name = excluded.legal_name, tax_id_type = excluded.tax_id_type, tax_id_value = excluded.tax_id_value,
    contacts = excluded.contacts, time_zone = excluded.time_zone, currency = excluded.currency, locale = excluded.locale,
    branding = excluded.branding, settings = excluded.settings, version = excluded.version, update_time = excluded.update_time;
