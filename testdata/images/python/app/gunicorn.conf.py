bind = "0.0.0.0:8000"
workers = 2
accesslog = "/var/log/shop/access.log"
pidfile = "/run/shop/gunicorn.pid"
