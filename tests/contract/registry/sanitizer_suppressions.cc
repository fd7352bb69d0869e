// What the sanitizers see in libraries that they do not understand.

extern "C" {

// Several handles share the static buffers into which the ZooKeeper client formats addresses for its log,
// which is off; a daemon has one handle. glibc's time zone is behind a lock that the sanitizer does not know.
const char* __tsan_default_suppressions();
const char* __tsan_default_suppressions() {
  return "called_from_lib:libzookeeper_st.so\n"
         "race:tzset_internal\n";
}

// The ZooKeeper client loses 24 bytes when a connection breaks in the middle of a request.
const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() {
  return "leak:libzookeeper_st.so\n";
}
}
