SELECT digest FROM agency_folder WHERE digest = ANY ($1::text[])
