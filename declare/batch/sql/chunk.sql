SELECT content FROM batch_file WHERE tenant_id = $1 AND digest = $2 AND number = $3
