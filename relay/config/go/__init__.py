"""Go templates in Alertmanager's configuration: parsed, and translated to Jinja2."""
