// PostgresServer: a real PostgreSQL 15 of its own for a test program: free loopback port and a Unix socket,
// fsync on, temporary directory; or a hot standby of another one. Started and ready after construction
// (throws otherwise); stopped, with its directory, at the end, or by the kernel should the test die first.
// Each test makes databases of its own. One thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/servers/place.h"

namespace ringmaster {

class PostgresServer {
 public:
  // The one of this test program, started by the first who asks.
  static PostgresServer& shared() {
    static PostgresServer server;
    return server;
  }

  using Environment = std::map<std::string, std::string>;  // added to ours

  explicit PostgresServer(Place place = {}, Environment environment = {})
      : place_(std::move(place)),
        environment_(std::move(environment)),
        directory_(make_directory()),
        port_(free_port()) {
    run({"initdb", "-D", data(), "-U", "ringmaster", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"});
    if (!place_.on_loopback())
      std::ofstream(data() + "/pg_hba.conf", std::ios::app) << "host all,replication all samenet trust\n";
    start();
  }
  // A hot standby of a running server, which knows it by the name `standby`.
  PostgresServer(Place place, const PostgresServer& primary)
      : place_(std::move(place)), directory_(make_directory()), port_(free_port()) {
    run({"pg_basebackup", "-D", data(), "-d", primary.conninfo("postgres") + " application_name=standby",
         "--write-recovery-conf", "--checkpoint=fast", "--no-sync"});
    start();
  }
  ~PostgresServer() {
    stop(SIGQUIT);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  std::string conninfo(const std::string& database) const {
    return "host=" + place_.address + " port=" + std::to_string(port_) +
           " user=ringmaster dbname=" + database;
  }
  // Whichever of the two is the primary.
  std::string conninfo_with(const PostgresServer& other, const std::string& database) const {
    return "host=" + place_.address + "," + other.place_.address + " port=" + std::to_string(port_) + "," +
           std::to_string(other.port_) + " user=ringmaster dbname=" + database;
  }
  std::string socket_conninfo(const std::string& database) const {
    return "host=" + directory_.string() + " port=" + std::to_string(port_) +
           " user=ringmaster dbname=" + database;
  }

  // A database that nobody has used; its name.
  std::string make_database() {
    const std::string name = "test_" + std::to_string(++databases_);
    query("postgres", "CREATE DATABASE " + name);
    return name;
  }

  // The first column of the first row; empty if there is none. For the test's own questions, on a new
  // connection.
  std::string query(const std::string& database, const std::string& sql) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb((socket_conninfo(database) + " options='-c client_min_messages=warning'").c_str()),
        &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(connection.get(), sql.c_str()), &PQclear);
    const auto status = PQresultStatus(rows.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      throw std::runtime_error(sql + ": " + PQerrorMessage(connection.get()));
    }
    return PQntuples(rows.get()) == 0 || PQnfields(rows.get()) == 0 ? "" : PQgetvalue(rows.get(), 0, 0);
  }

  // After stop(): on the same port with the same data. Returns when it answers.
  void start() {
    launch();
    wait_until_ready();
  }
  // The same without waiting.
  void launch() {
    pid_ = spawn({"postgres", "-D", data(), "-k", directory_.string(), "-c",
                  "listen_addresses=" + place_.address, "-p", std::to_string(port_), "-c",
                  "shared_buffers=256MB", "-c", "max_connections=60"});
  }
  bool ready() const { return PQping(socket_conninfo("postgres").c_str()) == PQPING_OK; }
  void wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!ready()) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
      if (pid_ == 0 || std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("PostgreSQL did not start:\n" + log());
      }
      ::poll(nullptr, 0, 20);
    }
  }
  // SIGINT: fast; SIGQUIT: as in a crash; the postmaster ends the others. Returns when it is gone.
  void stop(int signal_number = SIGINT) {
    if (pid_ == 0) return;
    ::kill(pid_, signal_number);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  // As a loss of power: SIGKILL of all its processes. Returns when they are gone.
  void kill() {
    ::kill(pid_, SIGSTOP);  // it starts no other meanwhile
    const std::vector<pid_t> others = children();
    for (const pid_t child : others) ::kill(child, SIGKILL);
    stop(SIGKILL);
    for (const pid_t child : others) {
      while (lives(child)) ::poll(nullptr, 0, 5);
    }
  }

  pid_t pid() const { return pid_; }
  // Only the one that takes connections: its backends work on.
  void freeze() const { ::kill(pid_, SIGSTOP); }
  void thaw() const { ::kill(pid_, SIGCONT); }
  // With all that it has started.
  void freeze_all() const {
    freeze();  // first, so that it starts no more
    for (const pid_t child : children()) ::kill(child, SIGSTOP);
  }
  void thaw_all() const {
    for (const pid_t child : children()) ::kill(child, SIGCONT);
    thaw();
  }

  // Of a standby: it is a primary when this returns.
  void promote() const {
    if (query("postgres", "SELECT pg_promote()") != "t") throw std::runtime_error("not promoted:\n" + log());
  }

  std::string log() const {
    std::ifstream file(directory_ / "log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::vector<pid_t> children() const {
    const std::string process = std::to_string(pid_);
    std::ifstream file("/proc/" + process + "/task/" + process + "/children");
    return {std::istream_iterator<pid_t>(file), {}};
  }

  static const passwd* owner() { return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr; }

  static std::filesystem::path make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-postgres-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    if (const passwd* user = owner()) {
      if (::chown(pattern.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("cannot chown");
    }
    return pattern;
  }

  static int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(socket);
    return ntohs(address.sin_port);
  }

  std::string data() const { return (directory_ / "data").string(); }

  void run(std::vector<std::string> arguments) {
    const std::string program = arguments.front();
    int status = 0;
    ::waitpid(spawn(std::move(arguments)), &status, 0);
    if (status != 0) throw std::runtime_error(program + " failed:\n" + log());
  }

  static bool lives(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    return (file >> number >> name >> state) && state != "Z" && state != "X";
  }

  // PostgreSQL refuses to run as root: then it runs as the user postgres.
  pid_t spawn(std::vector<std::string> arguments) {
    arguments.front() = "/usr/lib/postgresql/15/bin/" + arguments.front();
    // Not of setpriv: a library that it loads would be root's.
    std::vector<std::string> with_environment = {"/usr/bin/env"};
    for (const auto& [name, value] : environment_) with_environment.push_back(name + "=" + value);
    arguments.insert(arguments.begin(), with_environment.begin(), with_environment.end());
    if (owner() != nullptr) {
      const std::vector<std::string> as_user = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres",
                                                "--init-groups",    "--pdeathsig=QUIT", "--"};
      arguments.insert(arguments.begin(), as_user.begin(), as_user.end());
    }
    const std::string log_file = (directory_ / "log").string();
    const std::string home = directory_.string();
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("cannot fork");
    if (pid > 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != parent || !place_.enter() || ::chdir(home.c_str()) != 0) ::_exit(127);
    const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  Place place_;
  Environment environment_;
  std::filesystem::path directory_;
  int port_;
  int databases_ = 0;
  pid_t pid_ = 0;
};

}  // namespace ringmaster
