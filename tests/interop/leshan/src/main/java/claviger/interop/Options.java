package claviger.interop;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Settings of a program: {@code --name value} on the command line, else the environment variable
 * {@code CLAVIGER_INTEROP_NAME}. Keys and secrets belong into the environment, where other users of the machine
 * do not see them.
 */
final class Options {
    /** The exit code of a program that was called wrongly ({@code EX_USAGE}). */
    static final int USAGE = 64;

    private final Map<String, String> given = new TreeMap<>();
    private final UnaryOperator<String> environment;

    Options(String[] args, UnaryOperator<String> environment) {
        this.environment = environment;
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || i + 1 == args.length) {
                throw new IllegalArgumentException("expected --name value, found " + args[i]);
            }
            given.put(args[i].substring(2), args[i + 1]);
        }
    }

    String required(String name) {
        String value = optional(name, null);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " (or " + variable(name) + ") is missing");
        }
        return value;
    }

    String optional(String name, String otherwise) {
        String value = given.getOrDefault(name, environment.apply(variable(name)));
        return value == null ? otherwise : value;
    }

    int number(String name, int otherwise) {
        String value = optional(name, null);
        try {
            return value == null ? otherwise : Integer.parseInt(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--" + name + " takes a whole number", e);
        }
    }

    private static String variable(String name) {
        return "CLAVIGER_INTEROP_" + name.toUpperCase().replace('-', '_');
    }
}
