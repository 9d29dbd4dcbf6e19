"""Go templates, as Alertmanager's configuration has them, read and translated to Jinja2."""
