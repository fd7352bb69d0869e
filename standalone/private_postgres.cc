#include "standalone/private_postgres.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <glog/logging.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sql/migrate.h"

namespace ringmaster {

namespace fs = std::filesystem;

namespace {

constexpr int kOldestVersion = 15;
constexpr std::size_t kLongestSocketDirectory = 90;  // a socket's path has at most 107 bytes
constexpr std::size_t kLogTail = 2000;
constexpr Duration kRelaunchPause = std::chrono::seconds(1);

std::unexpected<Error> unavailable(std::string message) {
  return fail(ErrorCode::unavailable, std::move(message));
}

// The major version that made this directory; empty: it is not made yet.
std::string version_of(const std::string& data) {
  std::ifstream file(data + "/PG_VERSION");
  std::string version;
  std::getline(file, version);
  return version;
}

// /usr/lib/postgresql/<version>/bin, the newest; empty: none.
std::string newest_binaries() {
  std::string best;
  int version = kOldestVersion - 1;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", none)) {
    const int its = std::atoi(entry.path().filename().c_str());
    const std::string bin = entry.path() / "bin";
    if (its <= version || ::access((bin + "/initdb").c_str(), X_OK) != 0) continue;
    version = its;
    best = bin;
  }
  return best;
}

// PostgreSQL does not run as root: its directories then belong to the user postgres.
struct User {
  uid_t uid;
  gid_t gid;
};
Result<std::optional<User>> server_user() {
  if (::geteuid() != 0) return std::nullopt;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr)
    return unavailable("PostgreSQL does not run as root, and there is no user postgres: run as another user");
  return User{user->pw_uid, user->pw_gid};
}

Result<> make_own_directory(const std::string& path, const std::optional<User>& user) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return unavailable(path + ": cannot be made: " + std::strerror(errno));
  // What lies in a directory of that user may be a link that it made.
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return unavailable(path + ": is no directory of ours: " + std::strerror(errno));
  const bool given = !user || ::fchown(directory, user->uid, user->gid) == 0;
  const int error = errno;
  ::close(directory);
  if (given) return {};
  return unavailable(path + ": cannot be given to the user postgres: " + std::strerror(error));
}

// Forks and runs it, its output in `log`; dies with this process.
Result<pid_t> spawn(const std::vector<std::string>& command, const std::optional<User>& user,
                    const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const char* environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", nullptr};
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return unavailable(std::string("cannot fork: ") + std::strerror(errno));
  if (child > 0) return child;

  ::setpgid(0, 0);  // a terminal's Ctrl-C is for us: it is stopped after its clients
  if (user && (::setgroups(0, nullptr) != 0 || ::setgid(user->gid) != 0 || ::setuid(user->uid) != 0))
    ::_exit(126);
  // After the change of user, which clears it: a fast shutdown when we die.
  ::prctl(PR_SET_PDEATHSIG, SIGINT);
  if (::getppid() != parent) ::_exit(126);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  ::dup2(in, 0);
  ::dup2(out < 0 ? in : out, 1);
  ::dup2(out < 0 ? in : out, 2);
  ::close_range(3, ~0U, 0);
  if (::chdir("/") != 0) ::_exit(126);
  ::execve(argv[0], argv.data(), const_cast<char**>(environment));
  ::_exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

bool is_alive(pid_t pid) {
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

// Of an earlier life's server that may still be stopping; 0: none.
pid_t pid_in(const std::string& data) {
  std::ifstream file(data + "/postmaster.pid");
  pid_t pid = 0;
  file >> pid;
  if (!file || pid <= 0 || !is_alive(pid)) return 0;
  // A server lives in its directory; numbers come back after a restart of the machine.
  std::error_code error;
  const bool its = fs::equivalent("/proc/" + std::to_string(pid) + "/cwd", data, error);
  return its && !error ? pid : 0;
}

}  // namespace

PrivatePostgres::PrivatePostgres(AsioLoop& loop, PrivatePostgresOptions options)
    : loop_(loop), options_(std::move(options)), process_(loop.context()), again_(loop) {}

PrivatePostgres::~PrivatePostgres() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGINT);
  pollfd ended{process_.native_handle(), POLLIN, 0};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.stop_timeout).count();
  if (::poll(&ended, 1, static_cast<int>(limit)) != 1) ::kill(pid_, SIGQUIT);
  wait_for(pid_);
}

std::string PrivatePostgres::conninfo() const {
  return "host='" + sockets() + "' port=5432 user=ringmaster dbname=postgres";
}

Result<> PrivatePostgres::start() {
  if (auto prepared = prepare(); !prepared) return prepared;
  if (!fs::exists(data() + "/PG_VERSION")) {
    if (auto done = initialise(); !done) return done;
  }
  const MonoTime deadline = loop_.now() + options_.start_timeout;
  while (const pid_t earlier = pid_in(data())) {
    if (loop_.now() > deadline)
      return unavailable("PostgreSQL of an earlier life does not end: stop process " +
                         std::to_string(earlier));
    ::kill(earlier, SIGINT);
    ::poll(nullptr, 0, 50);
  }
  if (auto launched = launch(); !launched) return launched;
  if (auto ready = wait_until_ready(); !ready) return ready;
  watch();
  return {};
}

Result<> PrivatePostgres::prepare() {
  // Another major version could not read what there is.
  const std::string version = version_of(data());
  if (options_.binaries.empty())
    options_.binaries = version.empty() ? newest_binaries() : "/usr/lib/postgresql/" + version + "/bin";
  if (!version.empty() && ::access(program("postgres").c_str(), X_OK) != 0) {
    return unavailable("PostgreSQL " + version + ", which made " + data() + ", is not in " +
                       options_.binaries +
                       ": install it, or name the folder of its programs with --postgres-binaries");
  }
  if (options_.binaries.empty() || ::access(program("postgres").c_str(), X_OK) != 0) {
    return unavailable(
        "PostgreSQL 15 or later is not installed here (looked in /usr/lib/postgresql/*/bin): install it, on "
        "Debian `apt install postgresql-15`, or name the folder of its programs with --postgres-binaries");
  }
  if (sockets().size() > kLongestSocketDirectory)
    return unavailable(sockets() + " is too long for a socket's path: choose a shorter --data");
  const auto user = server_user();
  if (!user) return std::unexpected(user.error());
  if (auto made = make_own_directory(options_.directory, *user); !made) return made;
  if (auto made = make_own_directory(sockets(), *user); !made) return made;
  struct stat made_by{};
  if (::stat((data() + "/PG_VERSION").c_str(), &made_by) == 0 &&
      made_by.st_uid != (*user ? (*user)->uid : ::geteuid())) {
    return unavailable(data() +
                       " belongs to another user: run as that one, as at first, or choose another --data");
  }
  if (!*user) return {};
  // It has to reach its own directory, from the root on.
  for (fs::path path = fs::path(options_.directory).parent_path(); path != "/"; path = path.parent_path()) {
    struct stat found{};
    if (::stat(path.c_str(), &found) == 0 && (found.st_mode & S_IXOTH) == 0 && found.st_uid != (*user)->uid)
      return unavailable("the user postgres may not enter " + path.string() +
                         ": choose another --data, or run as another user than root");
  }
  return {};
}

// Under another name first: what a crash leaves of an attempt is thrown away by the next.
Result<> PrivatePostgres::initialise() {
  const std::string fresh = options_.directory + "/data.new";
  std::error_code error;
  fs::remove_all(fresh, error);
  const auto user = server_user();
  if (!user) return std::unexpected(user.error());
  LOG(INFO) << "making a database in " << options_.directory;
  const auto child = spawn(
      {program("initdb"), "-D", fresh, "-U", "ringmaster", "--auth=trust", "--locale=C", "--encoding=UTF8"},
      *user, options_.directory + "/start.log");
  if (!child) return std::unexpected(child.error());
  if (wait_for(*child) != 0) return unavailable(complaint("cannot make a database"));
  fs::rename(fresh, data(), error);
  if (error) return unavailable("cannot make " + data() + ": " + error.message());
  return {};
}

Result<> PrivatePostgres::launch() {
  const auto user = server_user();
  if (!user) return std::unexpected(user.error());
  std::vector<std::string> command{program("postgres"), "-D", data()};
  for (const std::string& setting :
       {std::string("listen_addresses="), "unix_socket_directories=" + sockets(),
        std::string("unix_socket_permissions=0700"), std::string("port=5432"),
        std::string("max_connections=100"), std::string("shared_buffers=128MB"),
        std::string("logging_collector=on"), "log_directory=" + options_.directory + "/log",
        std::string("log_filename=postgres-%a.log"), std::string("log_truncate_on_rotation=on"),
        std::string("log_rotation_age=1d"), std::string("log_rotation_size=0")}) {
    command.emplace_back("-c");
    command.push_back(setting);
  }
  const auto child = spawn(command, *user, options_.directory + "/start.log");
  if (!child) return std::unexpected(child.error());
  pid_ = *child;
  boost::system::error_code ignored;
  process_.close(ignored);
  process_.assign(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  return {};
}

Result<> PrivatePostgres::wait_until_ready() {
  MonoTime deadline = loop_.now() + options_.start_timeout;
  while (true) {
    const auto migrated = migrate(conninfo());
    if (migrated) return {};
    if (migrated.error().code != ErrorCode::unavailable) return std::unexpected(migrated.error());
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      return unavailable(complaint("PostgreSQL does not start"));
    }
    // After a crash it may have much to read again, and says so.
    if (migrated.error().message.contains("the database system is")) {
      deadline = loop_.now() + options_.start_timeout;
    }
    if (loop_.now() > deadline) return unavailable(complaint("PostgreSQL does not answer"));
    ::poll(nullptr, 0, 20);
  }
}

void PrivatePostgres::watch() {
  process_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                        if (error) return;
                        wait_for(pid_);
                        pid_ = 0;
                        LOG(ERROR) << complaint("PostgreSQL has ended") << "; it is started again";
                        again_.start(kRelaunchPause, [this] { relaunch(); });
                      });
}

void PrivatePostgres::relaunch() {
  if (auto launched = launch(); !launched) {
    LOG(ERROR) << launched.error().message;
    return again_.start(kRelaunchPause, [this] { relaunch(); });
  }
  watch();
}

std::string PrivatePostgres::complaint(const std::string& what) const {
  const std::string path = options_.directory + "/start.log";
  std::string log;
  if (!fs::is_symlink(path)) {
    std::ifstream file(path);
    log.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (log.size() > kLogTail) log.erase(0, log.size() - kLogTail);
  return what + " (more in " + options_.directory + "/log)" + (log.empty() ? "" : ":\n" + log);
}

}  // namespace ringmaster
