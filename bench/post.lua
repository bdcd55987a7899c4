-- An in-order key of a queue (POST on a directory of etcd's v2 keys): the smallest durable creation etcd has.
wrk.method = "POST"
wrk.body = "value=3"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
