UPDATE declaration
   SET status = $3, waiting_who = $4, waiting_agency = $5, waiting_why = $6, waiting_since = $7, event_count = $8
 WHERE tenant_id = $1 AND id = $2
