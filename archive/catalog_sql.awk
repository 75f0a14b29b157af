# archive/catalog.sql as C: an array of strings, one for each "-- version N".
BEGIN {
    print "/* Made from archive/catalog.sql by archive/catalog_sql.awk. */"
    print "#include \"archive/catalog_impl.h\"\n"
    print "const char *const catalog_sql_versions[CATALOG_SCHEMA_VERSION] = {"
}
/^-- version / {
    if (versions++ > 0)
        print "    ,"
}
versions == 0 || /^[ \t]*(--.*)?$/ { next }
{
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    print "    \"" $0 "\\n\""
}
END { print "};" }
