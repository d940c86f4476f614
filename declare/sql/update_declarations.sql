UPDATE declaration d
   SET status = u.status, waiting_who = u.who, waiting_agency = u.agency, waiting_why = u.why, waiting_since = u.since, event_count = u.event_count
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::integer[])
       AS u (tenant_id, id, status, who, agency, why, since, event_count)
 WHERE d.tenant_id = u.tenant_id AND d.id = u.id
