-- "why" of what was refused, by the id that its sentence names.
CREATE INDEX audit_refusals ON audit (org, (data->>'short_id')) WHERE kind = 'refused';
