-- The bytes of notice $1, which belongs to no declaration and waits for an officer.
SELECT agency, body FROM notice WHERE id = $1 AND declaration_id = ''
