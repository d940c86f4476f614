-- $11 and $12 are lists joined by commas.
INSERT INTO declaration (tenant_id, id, kind, reference, status, waiting_who, waiting_agency, waiting_why, waiting_since, received_at, event_count,
                         port, agencies, chapters)
SELECT tenant_id, id, kind, reference, status, who, agency, why, at, at, 1, port, string_to_array(agencies, ','), string_to_array(chapters, ',')
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
              $10::text[], $11::text[], $12::text[])
       AS d (tenant_id, id, kind, reference, status, who, agency, why, at, port, agencies, chapters)
