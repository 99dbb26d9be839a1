module kubebox.dev/testcluster/images

go 1.24
