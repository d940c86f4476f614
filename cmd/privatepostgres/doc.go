// Package privatepostgres runs a PostgreSQL that belongs to this process alone, so that a gateway
// can be started with no database configured and nothing but PostgreSQL's binaries installed.
//
// [Start] makes the cluster on first use, starts its postmaster as a direct child and returns once it
// accepts connections; [Server.URL] is then used like any other database. The server listens on a Unix
// socket only, trusts whoever can enter the socket's folder (mode 0700), and keeps fsync on.
//
// On disk, below [Options.Folder]:
//
//	Folder/                    locked (flock) by the process that owns the cluster
//	Folder/postgresql.log      PostgreSQL's own log; renamed to postgresql.log.1 at a start that finds it over 10 MiB
//	Folder/postgresql/         0700, owned by the user PostgreSQL runs as; holds the socket
//	Folder/postgresql/data     the cluster, complete or absent
//	Folder/postgresql/new-*    a cluster in the making; the next start removes it
//
// PostgreSQL refuses to run as root. A root process runs it as the system's postgres user, who must be
// able to enter every folder down to Folder; any other user runs it as itself.
//
// Death is expected in every order. When the owner dies, even by SIGKILL, the kernel sends the
// postmaster SIGINT, a fast shutdown (Linux only); one that outlived its owner all the same is stopped by
// the next start. When the postmaster dies, [Server.Done] closes and a new Start recovers from its log.
// Data is never deleted: a cluster of another PostgreSQL version is an error.
package privatepostgres
