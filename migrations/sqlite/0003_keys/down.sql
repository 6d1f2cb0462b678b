drop table hearth_keys;
