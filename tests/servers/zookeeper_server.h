// ZooKeeperServer: a real ZooKeeper of its own for a test: free loopback port, temporary directory, sessions
// from 400 ms to 4 s. Started and ready after construction (throws otherwise); killed, with its directory, at
// the end, or by the kernel should the test die first. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/servers/place.h"

namespace ringmaster {

class ZooKeeperServer {
 public:
  explicit ZooKeeperServer(Place place = {}) : ZooKeeperServer(std::move(place), 0, {}) { start(); }
  // The member `number`, from 1, of an ensemble at these addresses. Not started yet.
  ZooKeeperServer(Place place, std::size_t number, std::vector<std::string> ensemble)
      : place_(std::move(place)),
        number_(number),
        ensemble_(std::move(ensemble)),
        directory_(make_directory()),
        port_(free_port()) {}
  ~ZooKeeperServer() {
    stop(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  ZooKeeperServer(const ZooKeeperServer&) = delete;
  ZooKeeperServer& operator=(const ZooKeeperServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string hosts() const { return place_.address + ":" + std::to_string(port_); }

  // After stop(): on the same port with the same data. Returns when it answers.
  void start() {
    launch();
    wait_until_ready();
  }
  // The first two of an ensemble of three need each other to become ready.
  void launch() {
    write_configuration();
    spawn();
  }
  bool ready() const { return four_letter_word("srvr").find("Mode:") != std::string::npos; }
  void wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!ready()) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
      if (pid_ == 0 || std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("ZooKeeper did not start:\n" + log());
      }
      ::poll(nullptr, 0, 20);
    }
  }

  // Returns when the process is gone.
  void stop(int signal_number = SIGTERM) {
    if (pid_ == 0) return;
    ::kill(pid_, signal_number);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  void freeze() { ::kill(pid_, SIGSTOP); }
  void thaw() { ::kill(pid_, SIGCONT); }

  // The answer to an administrative command (`srvr`, `dump`, `cons`…); empty if there is none within a
  // second.
  std::string four_letter_word(const std::string& word) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval second{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    const sockaddr_in address = at(place_.address, port_);
    std::string answer;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(socket, word.data(), word.size(), MSG_NOSIGNAL) > 0) {
      char buffer[4096];
      ssize_t size = 0;
      while ((size = ::recv(socket, buffer, sizeof buffer, 0)) > 0)
        answer.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(socket);
    return answer;
  }

  std::string log() const {
    std::ifstream file(directory_ / "log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  static std::filesystem::path make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-zookeeper-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    return pattern;
  }

  static sockaddr_in at(const std::string& host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    return address;
  }

  static std::uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = at("127.0.0.1", 0);
    socklen_t size = sizeof address;
    ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(socket);
    return ntohs(address.sin_port);
  }

  void write_configuration() const {
    std::ofstream file(directory_ / "zoo.cfg");
    file << "tickTime=200\n"
         << "dataDir=" << (directory_ / "data").string() << "\n"
         << "clientPort=" << port_ << "\nclientPortAddress=" << place_.address << "\nmaxClientCnxns=0\n"
         << "admin.enableServer=false\n4lw.commands.whitelist=*\n";
    if (number_ == 0) return;
    file << "initLimit=20\nsyncLimit=10\n";
    for (std::size_t i = 0; i < ensemble_.size(); ++i)
      file << "server." << i + 1 << "=" << ensemble_[i] << ":2888:3888\n";
    std::filesystem::create_directories(directory_ / "data");
    std::ofstream(directory_ / "data" / "myid") << number_ << "\n";
  }

  void spawn() {
    const std::string log_file = (directory_ / "log").string();
    // zookeeper.jar names the rest of what it needs in its manifest.
    std::vector<std::string> arguments = {
        "java",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dzookeeper.jmx.log4j.disable=true",
        "-cp",
        directory_.string() + ":/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        (directory_ / "zoo.cfg").string()};
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || !place_.enter()) ::_exit(127);
    const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::execv("/usr/lib/jvm/default-java/bin/java", argv.data());
    ::_exit(127);
  }

  Place place_;
  std::size_t number_ = 0;
  std::vector<std::string> ensemble_;
  std::filesystem::path directory_;
  std::uint16_t port_;
  pid_t pid_ = 0;
};

}  // namespace ringmaster
