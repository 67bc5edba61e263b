// SPDX-License-Identifier: Apache-2.0
// Three quarters of the time in heavy(), one in light(), both called by work(), until it is ended,
// or for as many seconds as it is told.
public class Shares {
    private static volatile long sink;

    private static long spin(int rounds) {
        long x = rounds;
        for (int i = 0; i < rounds; i++) {
            x = x * 6364136223846793005L + 1442695040888963407L;
        }
        return x;
    }

    private static void heavy() {
        sink += spin(300_000);
    }

    private static void light() {
        sink += spin(100_000);
    }

    private static void work() {
        heavy();
        light();
    }

    public static void main(String[] arguments) {
        long forever = 1_000_000_000L;
        long seconds = arguments.length > 0 ? Long.parseLong(arguments[0]) : forever;
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        for (int i = 0; i < 1000; i++) {
            work();
        }
        System.out.println("ready");
        while (System.nanoTime() - end < 0) {
            work();
        }
    }
}
