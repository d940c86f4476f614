-- An item that had no reference of its own in the file gets it here.
UPDATE batch_item i SET verdict = v.verdict, declaration_id = v.declaration_id, faults = v.faults, tries = v.tries,
       reference = CASE WHEN i.reference = '' THEN v.reference ELSE i.reference END
  FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::int[]) AS v (number, verdict, declaration_id, reference, faults, tries)
 WHERE i.tenant_id = $1 AND i.batch_id = $2 AND i.number = v.number
