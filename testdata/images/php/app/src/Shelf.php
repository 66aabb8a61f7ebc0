<?php

namespace Shop;

/** The products, in a database that is made when it is asked for. */
final class Shelf
{
    private \PDO $db;

    public function __construct()
    {
        $this->db = new \PDO('sqlite::memory:');
        $this->db->exec('create table product (name text, cents integer)');
        $add = $this->db->prepare('insert into product values (?, ?)');
        foreach ([['Teekanne', 2450], ['Große Tasse', 895]] as $row) {
            $add->execute($row);
        }
    }

    public function products(): array
    {
        return $this->db->query('select name, cents from product order by cents')->fetchAll(\PDO::FETCH_ASSOC);
    }
}
