// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/application_id.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {
namespace {

using Words = std::vector<std::string>;

constexpr RuntimesOfProcess kPython{.has_python = true};
constexpr RuntimesOfProcess kJava{.has_java = true};
constexpr RuntimesOfProcess kNode{.has_node = true};
constexpr RuntimesOfProcess kRuby{.has_ruby = true};

std::string id_of(const RuntimesOfProcess& runtimes, const Words& arguments,
                  const std::string& file = "", const ArgumentFilters* filters = nullptr,
                  bool wants_spark = false) {
  return find_application_id({.arguments = arguments,
                              .runtimes = runtimes,
                              .cwd = "/srv",
                              .resolve =
                                  [](const std::string& path) {
                                    return path.starts_with('/') ? path : "/srv/" + path;
                                  },
                              .read =
                                  [&](const std::string&) {
                                    return file.empty() ? std::nullopt : std::optional(file);
                                  },
                              .java_arguments = filters,
                              .wants_spark = wants_spark})
      .value_or("-");
}

TEST(ApplicationId, of_gunicorn_is_its_application) {
  EXPECT_EQ(id_of(kPython, {"gunicorn: worker [my.wsgi:app]", "", ""}),
            "gunicorn: my.wsgi:app (/srv/my/wsgi.py)");
  EXPECT_EQ(id_of(kPython, {"gunicorn: master [app:create()]"}),
            "gunicorn: app:create() (/srv/app.py)");
  EXPECT_EQ(
      id_of(kPython, {"/usr/bin/python3", "/usr/bin/gunicorn", "-b", "0.0.0.0:80", "a.b:app"}),
      "gunicorn: a.b:app (/srv/a/b.py)");
  EXPECT_EQ(id_of(kPython, {"gunicorn", "-c", "conf.py"}), "gunicorn: unknown app name");
  EXPECT_EQ(id_of(kPython, {"gunicorn: other [app:x]"}), "-");
}

TEST(ApplicationId, of_uvicorn_is_its_application) {
  EXPECT_EQ(id_of(kPython, {"uvicorn", "--port", "80", "--factory", "app.main:make"}),
            "uvicorn: app.main:make (/srv/app/main.py)");
  EXPECT_EQ(id_of(kPython, {"python3", "-m", "uvicorn", "main:app"}),
            "uvicorn: main:app (/srv/main.py)");
  EXPECT_EQ(id_of(kPython, {"python3", "/venv/bin/uvicorn"}), "uvicorn: unknown app name");
}

TEST(ApplicationId, of_uwsgi_is_its_module_or_its_configuration) {
  EXPECT_EQ(id_of(kPython, {"uwsgi", "-w", "app"}), "uwsgi: app (/srv/app.py)");
  EXPECT_EQ(id_of(kPython, {"uwsgi", "--wsgi-file=a/b.py"}), "uwsgi: a/b.py (/srv/a/b.py)");
  const std::string configuration = "[other]\nmodule = no\n[uwsgi]\n; x\nmodule = my.app\n";
  EXPECT_EQ(id_of(kPython, {"uwsgi", "--ini", "u.ini"}, configuration),
            "uwsgi: u.ini (/srv/my/app.py)");
  EXPECT_EQ(id_of(kPython, {"uwsgi", "u.ini"}, "[uwsgi]\nhttp = :80\n"), "uwsgi: u.ini");
  EXPECT_EQ(id_of(kPython, {"uwsgi", "u.ini"}), "uwsgi: u.ini");
  EXPECT_EQ(id_of(kPython, {"uwsgi", "a.ini", "b.ini"}), "uwsgi: ini file / wsgi module not found");
}

TEST(ApplicationId, of_celery_is_its_application_or_its_queue) {
  EXPECT_EQ(id_of(kPython, {"celery", "-A", "tasks", "worker"}), "celery: tasks (/srv/tasks.py)");
  EXPECT_EQ(id_of(kPython, {"python3", "-m", "celery", "worker", "--app=a.b"}),
            "celery: a.b (/srv/a/b.py)");
  EXPECT_EQ(id_of(kPython, {"python", "/bin/celery", "-Atasks"}), "celery: tasks (/srv/tasks.py)");
  EXPECT_EQ(id_of(kPython, {"celery", "worker", "-Q", "mail"}), "celery queue: mail (/srv)");
  EXPECT_EQ(id_of(kPython, {"celery", "worker"}), "-");
}

TEST(ApplicationId, of_python_is_its_module_or_its_script) {
  EXPECT_EQ(id_of(kPython, {"python3", "-m", "pyspark.daemon"}), "pyspark");
  EXPECT_EQ(id_of(kPython, {"python3.11", "-m", "http.server", "80"}), "python: -m http.server");
  EXPECT_EQ(id_of(kPython, {"/usr/bin/python2.7", "a/b.py", "-x"}), "python: a/b.py (/srv/a/b.py)");
  EXPECT_EQ(id_of(kPython, {"python3", "/opt/x.py"}), "python: /opt/x.py (/opt/x.py)");
  EXPECT_EQ(id_of(kPython, {"python3", "-c", "pass"}), "-");
  EXPECT_EQ(id_of(kPython, {"pythonista", "x.py"}), "-");
  EXPECT_EQ(id_of(kPython, {"python3.", "x.py"}), "-");
}

TEST(ApplicationId, of_node_and_ruby_is_the_first_script_that_no_option_loads) {
  EXPECT_EQ(id_of(kNode, {"node", "-r", "hook.js", "--require=x.js", "server.js", "more.js"}),
            "nodejs: server.js (/srv/server.js)");
  EXPECT_EQ(id_of(kNode, {"node"}), "-");
  EXPECT_EQ(id_of(kRuby, {"ruby", "-r", "a.rb", "-rb.rb", "/app/run.rb"}),
            "ruby: /app/run.rb (/app/run.rb)");
  EXPECT_EQ(id_of(kRuby, {"ruby", "-e", "1"}), "-");
}

TEST(ApplicationId, of_java_is_its_class_or_archive) {
  EXPECT_EQ(id_of(kJava, {"/usr/bin/java", "-Xmx1g", "-cp", "a.jar:b.jar", "com.x.Main", "-jar"}),
            "java: com.x.Main");
  EXPECT_EQ(id_of(kJava, {"java", "-jar", "/opt/app.jar", "x"}), "java: /opt/app.jar");
  EXPECT_EQ(id_of(kJava, {"java", "--module-path", "m", "-m", "a/b.Main"}), "java: a/b.Main");
  EXPECT_EQ(id_of(kJava, {"java", "@arguments", "Main"}), "-") << "the class may be in the file";
  EXPECT_EQ(id_of(kJava, {"java", "-cp"}), "-");
  EXPECT_EQ(id_of(kJava, {"java", "-jar"}), "-");
  EXPECT_EQ(id_of(kJava, {"embedder", "Main"}), "-");
}

TEST(ApplicationId, of_java_shows_the_arguments_that_are_asked_for) {
  ArgumentFilters filters;
  ASSERT_TRUE(filters.add("^-Dname="));
  ASSERT_TRUE(filters.add("Xmx[0-9]+"));
  EXPECT_EQ(id_of(kJava, {"java", "-Dname=a", "-Dsecret=b", "-Xmx12m", "Main", "-Dname=after"}, "",
                  &filters),
            "java: Main (-Dname=a -Xmx12m)");
  EXPECT_EQ(filters.add("(").error().code, Errc::malformed);
}

TEST(ApplicationId, of_spark_is_beside_that_of_java) {
  const Words executor{"java", "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"};
  const std::string id = "java: org.apache.spark.executor.YarnCoarseGrainedExecutorBackend";
  EXPECT_EQ(id_of(kJava, executor), id);
  EXPECT_EQ(id_of(kJava, executor, "# x\nspark.app.name=My App # c\n", nullptr, true),
            id + ", spark: My App");
  EXPECT_EQ(id_of(kJava, executor, "a=b\n", nullptr, true), id + ", app name not found");
}

TEST(ApplicationId, of_hostile_command_lines_is_bounded) {
  EXPECT_EQ(id_of(kPython, {}), "-");
  EXPECT_EQ(id_of(kPython, {""}), "-");
  EXPECT_EQ(id_of({}, {"python3", "x.py"}), "-") << "no runtime is mapped";
  EXPECT_EQ(id_of(kPython, {"python3", "-m"}), "-");
  EXPECT_EQ(id_of(kPython, {"celery", "-A"}), "-");
  const std::string huge(kMaxCommandLineBytes, 'a');
  EXPECT_EQ(id_of(kPython, {"python3", huge + ".py"}).size(), kMaxApplicationIdBytes);
  EXPECT_EQ(parse_command_line("").size(), 0U);
  EXPECT_EQ(parse_command_line(std::string_view("a\0\0b", 4)), (Words{"a", "", "b"}));
  EXPECT_EQ(parse_command_line(std::string_view("a b", 3)), Words{"a b"});
  EXPECT_EQ(parse_command_line(std::string(2 * kMaxArguments, '\0')).size(), kMaxArguments);
  EXPECT_EQ(parse_command_line(std::string(2 * kMaxCommandLineBytes, 'x')).front().size(),
            kMaxCommandLineBytes);
}

}  // namespace
}  // namespace waggle
