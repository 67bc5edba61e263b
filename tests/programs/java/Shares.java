// SPDX-License-Identifier: Apache-2.0
// Three quarters of the time in heavy(), one in light(), both called by work(), until it is ended.
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
        sink += spin(30_000);
    }

    private static void light() {
        sink += spin(10_000);
    }

    private static void work() {
        heavy();
        light();
    }

    public static void main(String[] arguments) {
        for (int i = 0; i < 10_000; i++) {
            work();
        }
        System.out.println("ready");
        while (true) {
            work();
        }
    }
}
