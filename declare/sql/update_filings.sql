UPDATE filing f
   SET decision = u.decision, since = u.since, word = u.word, remark = u.remark, numbers = u.numbers, errors = u.errors,
       duties = u.duties, documents = u.documents
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[],
              $10::jsonb[], $11::jsonb[])
       AS u (tenant_id, declaration_id, agency, decision, since, word, remark, numbers, errors, duties, documents)
 WHERE f.tenant_id = u.tenant_id AND f.declaration_id = u.declaration_id AND f.agency = u.agency
