package adapters

import "io/fs"

// Supply lays schemas beside the folders of fsys. A folder that says in
// agency.yaml which parts of its schema directory are not shipped with it
// (schemas: [declaration, …]: a third party's, published elsewhere) is
// completed from there: from <agency>/<part> where that exists, else <part>.
// What the folder holds itself is never replaced.
func Supply(fsys, schemas fs.FS) fs.FS { return supplied{fsys, schemas} }

type supplied struct {
	fs.FS
	schemas fs.FS
}

// ReadDir and Stat keep the abilities of the folders below.
func (s supplied) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(s.FS, name) }

func (s supplied) Stat(name string) (fs.FileInfo, error) { return fs.Stat(s.FS, name) }

// suppliedParts finds, for an agency, the parts of its schema directory that
// others supply; missing are those nobody does.
func suppliedParts(fsys, folder fs.FS, agency string, parts []string) (found map[string]fs.FS, missing []string) {
	from, _ := fsys.(supplied) // without any, its schemas are nil
	found = map[string]fs.FS{}
	for _, part := range parts {
		if isDirectory(folder, "schema/"+part) {
			continue
		}
		switch {
		case from.schemas != nil && isDirectory(from.schemas, agency+"/"+part):
			found[part], _ = fs.Sub(from.schemas, agency+"/"+part) // the path was just opened
		case from.schemas != nil && isDirectory(from.schemas, part):
			found[part], _ = fs.Sub(from.schemas, part)
		default:
			missing = append(missing, part)
		}
	}
	return found, missing
}

func isDirectory(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.IsDir()
}
