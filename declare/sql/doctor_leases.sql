-- Leases that expired before $1: no gateway that runs has reclaimed them. At most $2.
SELECT tenant_id, declaration_id, agency, id, reason, lease_until FROM message
 WHERE delivery = 'sending' AND lease_until < $1
 ORDER BY lease_until LIMIT $2
