module singlewindow/ci/client

go 1.26.0
