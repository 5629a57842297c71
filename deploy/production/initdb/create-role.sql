-- PostgreSQL's image runs this file when its volume is created. The app's role owns its database, but is no superuser.
\set password `sed 's|.*:\(.*\)@.*|\1|' /run/secrets/database_url`
CREATE ROLE stockmeter LOGIN PASSWORD :'password';
CREATE DATABASE product_db OWNER stockmeter;
