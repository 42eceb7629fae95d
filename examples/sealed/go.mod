module example.com/sealed

go 1.26
